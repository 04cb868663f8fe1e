package controllers

import (
	"context"
	"fmt"
	"hash/fnv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	storagehelpers "k8s.io/component-helpers/storage/volume"
)

const (
	provisioner  = "sandbox.plumbline.dev"
	storageClass = "standard"
)

// cloud returns a client for what a cloud provider does in a real cluster.
func (e *env) cloud() (*kubernetes.Clientset, error) {
	c := rest.CopyConfig(e.Client)
	c.UserAgent = "sandbox-cloud"
	return kubernetes.NewForConfig(c)
}

// provision makes a volume for every claim of a storage class with the
// sandbox's provisioner, and removes volumes that were released. The volumes
// hold nothing.
func provision(_ context.Context, e *env) (loop, error) {
	client, err := e.cloud()
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	claims, err := each(core.PersistentVolumeClaims().Informer(), func(ctx context.Context, obj any) error {
		return provisionClaim(ctx, client, obj.(*corev1.PersistentVolumeClaim))
	})
	if err != nil {
		return nil, err
	}
	released, err := each(core.PersistentVolumes().Informer(), func(ctx context.Context, obj any) error {
		return removeReleased(ctx, client, obj.(*corev1.PersistentVolume))
	})
	if err != nil {
		return nil, err
	}
	return parallel(claims, released), nil
}

// CreateStorageClass adds the default storage class where it is missing.
func CreateStorageClass(ctx context.Context, cfg *rest.Config) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("storage class %q: %w", storageClass, err)
	}
	reclaim, binding := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingImmediate
	_, err = client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        storageClass,
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner:       provisioner,
		ReclaimPolicy:     &reclaim,
		VolumeBindingMode: &binding,
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("storage class %q: %w", storageClass, err)
	}
	return nil
}

func provisionClaim(ctx context.Context, client kubernetes.Interface, c *corev1.PersistentVolumeClaim) error {
	if c.Annotations[storagehelpers.AnnStorageProvisioner] != provisioner || c.Spec.VolumeName != "" || c.DeletionTimestamp != nil || c.Spec.StorageClassName == nil {
		return nil
	}
	class, err := client.StorageV1().StorageClasses().Get(ctx, *c.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("claim %s/%s: %w", c.Namespace, c.Name, err)
	}
	v := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(c.UID),
			Annotations: map[string]string{storagehelpers.AnnDynamicallyProvisioned: provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: c.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   c.Spec.AccessModes,
			VolumeMode:                    c.Spec.VolumeMode,
			StorageClassName:              class.Name,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.Namespace, Name: c.Name, UID: c.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: provisioner, VolumeHandle: string(c.UID)},
			},
		},
	}
	if class.ReclaimPolicy != nil {
		v.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	_, err = client.CoreV1().PersistentVolumes().Create(ctx, v, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("claim %s/%s: volume: %w", c.Namespace, c.Name, err)
	}
	return nil
}

func removeReleased(ctx context.Context, client kubernetes.Interface, v *corev1.PersistentVolume) error {
	if v.Annotations[storagehelpers.AnnDynamicallyProvisioned] != provisioner ||
		v.Status.Phase != corev1.VolumeReleased ||
		v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete ||
		v.DeletionTimestamp != nil {
		return nil
	}
	err := client.CoreV1().PersistentVolumes().Delete(ctx, v.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("volume %s: %w", v.Name, err)
	}
	return nil
}

// addresses gives Services of type LoadBalancer and Ingresses an address from
// the range reserved for documentation, so that they count as healthy. Nothing
// listens there.
func addresses(_ context.Context, e *env) (loop, error) {
	client, err := e.cloud()
	if err != nil {
		return nil, err
	}
	services, err := each(e.informers.Core().V1().Services().Informer(), func(ctx context.Context, obj any) error {
		s := obj.(*corev1.Service)
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.Spec.LoadBalancerClass != nil || len(s.Status.LoadBalancer.Ingress) > 0 || s.DeletionTimestamp != nil {
			return nil
		}
		_, err := client.CoreV1().Services(s.Namespace).Patch(ctx, s.Name, types.MergePatchType, addressPatch(s.UID), metav1.PatchOptions{}, "status")
		return unlessGone(err)
	})
	if err != nil {
		return nil, err
	}
	ingresses, err := each(e.informers.Networking().V1().Ingresses().Informer(), func(ctx context.Context, obj any) error {
		i := obj.(*networkingv1.Ingress)
		if len(i.Status.LoadBalancer.Ingress) > 0 || i.DeletionTimestamp != nil {
			return nil
		}
		_, err := client.NetworkingV1().Ingresses(i.Namespace).Patch(ctx, i.Name, types.MergePatchType, addressPatch(i.UID), metav1.PatchOptions{}, "status")
		return unlessGone(err)
	})
	if err != nil {
		return nil, err
	}
	return parallel(services, ingresses), nil
}

func addressPatch(uid types.UID) []byte {
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid))
	return fmt.Appendf(nil, `{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.%d"}]}}}`, 1+h.Sum32()%254)
}

func unlessGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
